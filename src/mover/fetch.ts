import { failure } from '../model/errors.ts'
import type { Fetched, FetchOrder, ObjectFile } from '../model/order.ts'
import type { Beat, Format } from '../pack/format.ts'
import type { ReadingVault } from '../vault/vault.ts'
import { deliverer } from './delivery.ts'

/** Reads files out of an object, and delivers them. */
export function fetchFiles(order: FetchOrder, vault: ReadingVault, format: Format, beat: Beat): Fetched {
  const reader = vault.open(order.location)
  if (reader === null) throw objectMissing(`${order.vault.root}/${order.location}`)
  try {
    const delivery = deliverer<ObjectFile>(
      order.to,
      { sums: format.sums, tag: ({ bytes, adler32, md5 }) => `${bytes} ${adler32 ?? ''} ${md5 ?? ''}` },
      beat,
    )
    format.unpack(order.files.filter(delivery.wants), order.time, reader, delivery.receiverOf, beat)
    return delivery.result(order.files.length)
  } finally {
    reader.close()
  }
}

export const objectMissing = (path: string) =>
  failure(
    'OBJECT_MISSING',
    `Cannot read ${path}: it is not there`,
    'See whether it is the right mount. Keep other copies, and tell the operators.',
  )
