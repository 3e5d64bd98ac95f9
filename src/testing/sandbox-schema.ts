import { z } from 'zod'
import { RucioException } from './sandbox-world.ts'

/** What Rucio's generic schema lets in (common/schema/generic.py), as far as its messages say why not. */
export const scopeName = z
  .string()
  .max(25)
  .regex(/^[a-zA-Z_\-.0-9]+$/)
export const didName = z
  .string()
  .max(250)
  .regex(/^[/A-Za-z0-9][/A-Za-z0-9.\-_]*$/)
export const rseName = z.string().regex(/^[A-Z0-9]+([_-][A-Z0-9]+)*$/)

const did = { scope: scopeName, name: didName }

/** A DID as it comes in lists; nothing else may be beside these. */
export const listedDid = z.strictObject({
  ...did,
  type: z.enum(['DATASET', 'CONTAINER', 'FILE', 'F']).optional(),
  meta: z.record(z.string(), z.unknown()).optional(),
  rules: z.array(z.unknown()).optional(),
  bytes: z.int().optional(),
  adler32: z.string().regex(/^[a-fA-F\d]{8}$/).optional(),
  md5: z.string().regex(/^[a-fA-F\d]{32}$/).optional(),
  state: z.string().optional(),
  pfn: z.string().optional(),
}) // prettier-ignore

export const listedDids = z.array(listedDid).min(1).max(1000)
/** For reading alone the names are not looked at; so much that none at all is none. */
export const readDids = z.array(z.object({ scope: z.string().regex(/\w/), name: z.string().regex(/\w/) })).max(1000)
export const attachment = z.object({ ...did, dids: listedDids })
export const newDid = z.object({ ...did, type: z.enum(['DATASET', 'CONTAINER', 'FILE', 'F']) })

/**
 * @param what the name that Rucio's message gives to the thing
 * @throws RucioException InvalidObject, which repeats the whole value, however long that is
 */
export function validate<T>(schema: z.ZodType<T>, what: string, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const at = issue!.path.map((key) => `[${JSON.stringify(key)}]`).join('')
  const said = `Problem validating ${what}: ${JSON.stringify(value)}: ${issue!.message}`
  throw new RucioException('InvalidObject', `${said}\n\nOn instance${at}`)
}
