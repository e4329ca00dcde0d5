import { createHash, timingSafeEqual } from 'node:crypto'

/** Whom everything belongs to, as long as a server has one user. */
const soleOwner = { ownerId: 'local' }

/**
 * Knows the one principal of a server with one key, or with none. With a key, only requests that carry it
 * (`Authorization: Bearer <key>`, RFC 6750) are the principal's.
 */
export function createApiKeyAuthentication(apiKey: string | undefined) {
  const expected = apiKey === undefined ? undefined : digest(apiKey)
  return async function authenticate(authorization: string | undefined) {
    if (!expected) return soleOwner
    const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    // Digests have one length, whatever was sent: comparing them tells nothing about the key.
    return given !== undefined && timingSafeEqual(digest(given), expected) ? soleOwner : undefined
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
