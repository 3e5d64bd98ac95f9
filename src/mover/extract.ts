import { crc32 } from '@node-rs/crc32'
import { failure } from '../model/errors.ts'
import { nameMatcher } from '../model/glob.ts'
import type { ExtractOrder, Fetched } from '../model/order.ts'
import type { Beat, Format, ZipMember } from '../pack/format.ts'
import type { ReadingVault } from '../vault/vault.ts'
import { deliverer } from './delivery.ts'
import { objectMissing } from './fetch.ts'

/** Reads files out of a zip that anybody may have made, and delivers them. It is refused as a whole before any is. */
export async function extractFiles(
  order: ExtractOrder,
  vault: ReadingVault,
  format: Format,
  beat: Beat,
): Promise<Fetched> {
  const zip = `${order.vault.root}/${order.location}`
  const reader = vault.open(order.location)
  if (reader === null) throw objectMissing(zip)
  try {
    const chosen = choose(format.directory(reader, zip, beat), order, zip)
    const delivery = deliverer(order.to, { sums: sumsOf, tag: ({ bytes, crc32 }) => `${bytes} crc32 ${crc32}` }, beat)
    await format.extract(chosen.filter(delivery.wants), zip, reader, delivery.receiverOf, beat)
    return delivery.result(chosen.length)
  } finally {
    reader.close()
  }
}

function choose(members: readonly ZipMember[], { names, to }: ExtractOrder, zip: string): readonly ZipMember[] {
  const wanted = nameMatcher(names)
  const chosen = names.length === 0 ? members : members.filter(({ name }) => wanted(name))
  const unknown = names.filter((glob) => {
    const matches = nameMatcher([glob])
    return !chosen.some(({ name }) => matches(name))
  })
  if (unknown.length > 0)
    throw failure(
      'UNKNOWN_DID',
      `Cannot find ${unknown.join(', ')} in ${zip}: none of its files has such a name`,
      '`unzip -l` shows them.',
    )
  if (to.kind === 'output' && chosen.length !== 1)
    throw failure(
      'USAGE',
      `Cannot write ${chosen.length} files to standard output: --to-stdout takes one`,
      'Name it by --file.',
    )
  return chosen
}

/** All that such a zip says of a content is its CRC. */
function sumsOf(member: ZipMember) {
  let crc = 0
  return {
    add: (bytes: Buffer) => (crc = crc32(bytes, crc)),
    difference: () => (crc === member.crc32 ? null : 'its CRC is another'),
  }
}
