import { ParleyError, StartupError } from '../errors.ts'

/** Errors of PostgreSQL, https://www.postgresql.org/docs/current/errcodes-appendix.html */
const retryable = new Set(['40001', '40P01'])
const outOfRoom = new Set(['53100', '54000'])

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** Two transactions were in each other's way: the same work, done again, can succeed. */
export function isConflict(error: unknown): boolean {
  return retryable.has(codeOf(error)) || isLostRace(error)
}

/** A table is in use, and a change of it could not wait any longer. */
export function isInUse(error: unknown): boolean {
  return codeOf(error) === '55P03' || isConflict(error)
}

/** Two attempts at a reply wrote the same place of its log: run again, the one that lost finds that it did. */
function isLostRace(error: unknown): boolean {
  const { table } = error as { table?: unknown }
  return codeOf(error) === '23505' && typeof table === 'string' && table.startsWith('events')
}

/** The database is away, or has no time: it was not the query's fault. */
function isUnavailable(error: unknown): boolean {
  const code = codeOf(error)
  // 08 connection, 53 resources, 57 operator intervention (shutdown, time-out), 25006 a standby, 55P03 a lock.
  if (/^(08|53|57)/.test(code) || code === '25006' || code === '55P03' || code === '25P03') return true
  if (/^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(code)) return true
  const message = error instanceof Error ? error.message : ''
  return /connection (terminated|timeout|ended|was lost)|timeout (expired|exceeded)|read timeout|not queryable/i.test(
    message,
  )
}

/** A failure while running, as the client should hear of it; any other error stays what it was. */
export function explainQueryFailure(error: unknown): unknown {
  if (outOfRoom.has(codeOf(error))) {
    return new ParleyError('storage_full', 'The disk of the database is full; nothing was stored.', {
      retryAfterMs: 30_000,
      cause: error,
    })
  }
  if (isUnavailable(error) || isConflict(error)) {
    return new ParleyError('storage_unavailable', 'The database cannot be reached now.', {
      retryAfterMs: 2_000,
      cause: error,
    })
  }
  return error
}

/** A failure to open the database at `url`, as the operator should read it; any other error stays what it was. */
export function explainConnectFailure(error: unknown, url: string, setting = 'DATABASE_URL'): unknown {
  const code = codeOf(error)
  const explanation = explanations[code] ?? (isUnavailable(error) ? 'cannot be reached' : undefined)
  if (!explanation) return error
  const detail = error instanceof Error && error.message ? ` (${error.message})` : ''
  return new StartupError(`${setting}: PostgreSQL at ${placeOf(url)} ${explanation}${detail}.`, {
    cause: error,
  })
}

/** Where a database is, without the password. */
export function placeOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

const explanations: Record<string, string> = {
  '28P01': 'refused the user or password',
  '28000': 'refused the user',
  '3D000': 'has no such database: create it first',
  '42501': 'does not let this user create tables',
}
