import { expect } from 'vitest'

/** A version 7 UUID (RFC 9562). */
export const uuid = expect.stringMatching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
)
/** A time in UTC with milliseconds. */
export const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
/** A well-formed id that nothing has. */
export const nobody = '01890000-0000-7000-8000-000000000000'
