import { v7 } from 'uuid'

/** A new UUIDv7 (RFC 9562): unique everywhere, and in the order of its making. */
export function newId(): string {
  return v7()
}

/** The lowest UUIDv7 of a millisecond: ids that were made earlier are below it. */
export function firstIdAt(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`
}
