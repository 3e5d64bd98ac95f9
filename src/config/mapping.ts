export type Mapping = Readonly<Record<string, unknown>>

/** Whether a value of YAML or JSON is one with keys. */
export const isMapping = (given: unknown): given is Mapping =>
  typeof given === 'object' && given !== null && !Array.isArray(given)
