import { z } from 'zod'

/** The longest address on the web; what stands in a `data:` address itself may be as long as a body. */
const maxAddressChars = 8_192
const maxDataChars = 100_000_000

const dataHead = /^data:([\w.+-]+\/[\w.+-]+)(?:;[\w.+-]+=[\w.+-]+)*;base64,/i

/** Where an image or a file is: on the web, or in the address itself. */
export const resourceUrl = z
  .string()
  .min(1)
  .max(maxDataChars)
  .superRefine((url, { addIssue }) => {
    const message = whatIsWrong(url)
    if (message) addIssue({ code: 'custom', message })
  })
  .meta({
    description:
      'An `http(s)` address, which the provider fetches, or `data:<media type>;base64,…` with the bytes themselves.',
    examples: ['data:image/png;base64,iVBORw0KGgo='],
  })

function whatIsWrong(url: string): string | undefined {
  if (/^data:/i.test(url)) {
    const head = dataHead.exec(url.slice(0, 512))?.[0]
    if (!head) return 'must be data:<media type>;base64,<bytes>'
    // Looks for what is wrong: a pattern of all that is right would use up the stack on millions of characters.
    const wrongAt = url.slice(head.length).search(/[^A-Za-z0-9+/]/)
    const isRight = wrongAt === -1 || /^={1,2}$/.test(url.slice(head.length + wrongAt))
    return isRight && url.length > head.length ? undefined : 'its bytes must be base64'
  }
  if (url.length > maxAddressChars) return `must have at most ${maxAddressChars} characters`
  if (/[\p{C}\p{Z}]/u.test(url)) return 'must not contain spaces or control characters'
  const scheme = URL.parse(url)?.protocol
  return scheme === 'http:' || scheme === 'https:' ? undefined : 'must be an http(s) or data: URL'
}

/** What a `data:` address holds: its media type, and its bytes in base64. Undefined for one on the web. */
export function inlineData(url: string): { mediaType: string; base64: string } | undefined {
  const head = dataHead.exec(url.slice(0, 512))
  if (!head?.[1]) return undefined
  return { mediaType: head[1].toLowerCase(), base64: url.slice(head[0].length) }
}
