import { failure, type ErrorCode, type TapeRseError } from '../model/errors.ts'

/** Makes the error by which a zip is refused; `what` is a clause. */
export type Refuse = (code: ErrorCode, what: string) => TapeRseError

/** @param zip what errors call the zip */
export const refusing =
  (zip: string): Refuse =>
  (code, what) =>
    failure(
      code,
      `Cannot unpack ${zip}: ${what}`,
      'Nothing was unpacked. See who made it, and whether it arrived whole.',
    )

export const memberText = (name: string): string => `its member ${JSON.stringify(name.slice(0, 200))}`
