import { z } from 'zod'
import { isMapping } from './mapping.ts'

/** What is right in a config that may have faults: each value is what the schema promises, or absent. */
export type Draft<T> = T extends readonly (infer Item)[]
  ? readonly (Draft<Item> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Draft<T[Key]> | undefined }
    : T

/** Takes over what is right, key by key, so that one fault does not hide those that only show when values are compared. */
export const draftOf = <T extends z.ZodType>(schema: T, given: unknown): Draft<z.output<T>> | undefined =>
  soundPart(schema, given) as Draft<z.output<T>> | undefined

type Shape = Readonly<Record<string, z.ZodType>>

function soundPart(schema: z.ZodType, given: unknown): unknown {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const inner = bare(schema)
  if (inner instanceof z.ZodArray && Array.isArray(given))
    return given.map((item) => soundPart(inner.element as z.ZodType, item))
  const object = optionOf(inner, given)
  if (!(object instanceof z.ZodObject) || !isMapping(given)) return undefined
  const shape = Object.entries<z.ZodType>(object.shape)
  return Object.fromEntries(shape.map(([key, value]) => [key, soundPart(value, given[key])]))
}

/** The schema inside of what makes it optional. */
export function bare(schema: z.ZodType): z.ZodType {
  let inner = schema
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault) inner = inner.unwrap() as z.ZodType
  return inner
}

/** The option of a discriminated union that a mapping chooses; any other schema as it is. */
export function optionOf(schema: z.ZodType, given: unknown): z.ZodType {
  if (!(schema instanceof z.ZodDiscriminatedUnion) || !isMapping(given)) return schema
  const { discriminator } = schema.def
  const chosen = (schema.options as readonly z.ZodType[]).find((option) => {
    const word = option instanceof z.ZodObject ? (option.shape as Shape)[discriminator] : undefined
    return word?.safeParse(given[discriminator]).success === true
  })
  return chosen ?? schema
}
