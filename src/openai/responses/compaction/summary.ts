import { ParleyError } from '../../../errors.ts'

/** A summary as a client carries it: nothing to read or to change, but no secret either. */
export function sealSummary(summary: string): string {
  return Buffer.from(JSON.stringify({ summary })).toString('base64url')
}

/** What a client brings back of it. */
export function openSummary(sealed: string, field: string): string {
  try {
    const { summary } = JSON.parse(Buffer.from(sealed, 'base64url').toString()) as { summary: unknown }
    if (typeof summary === 'string' && summary !== '') return summary
  } catch {
    // Said below.
  }
  const message = 'was not made by this server'
  throw new ParleyError('invalid_request', `${field}.encrypted_content: ${message}`, {
    fields: [{ in: 'body', field: `${field}.encrypted_content`, message }],
  })
}
