import { ParleyError, StartupError } from '../errors.ts'

/** Primary result codes, https://www.sqlite.org/rescode.html */
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26

function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  // An extended result code carries the primary one in its low byte.
  return typeof code === 'number' ? code & 0xff : undefined
}

/** A failure while running, as the client should hear of it; any other error stays what it was. */
export function explainWriteFailure(error: unknown): unknown {
  switch (resultCode(error)) {
    case FULL:
      return new ParleyError('storage_full', 'The disk of the server is full; nothing was stored.', {
        retryAfterMs: 30_000,
        cause: error,
      })
    case READONLY:
    case IOERR:
    case BUSY:
      return new ParleyError(
        'storage_unavailable',
        'The database cannot be written now; nothing was stored.',
        {
          retryAfterMs: 5_000,
          cause: error,
        },
      )
    default:
      return error
  }
}

/** A failure to open the database, as the operator should read it; any other error stays what it was. */
export function explainOpenFailure(error: unknown, path: string): unknown {
  const explanations: Record<number, string> = {
    [NOTADB]: `${path} is not a SQLite database. It was left as it is; set DATABASE_URL to another file.`,
    [CORRUPT]: `${path} is damaged. It was left as it is; restore it from a backup, or set DATABASE_URL to another file.`,
    [READONLY]: `${path} cannot be written: it, its folder or its disk is read-only for this user.`,
    [CANTOPEN]: `${path} cannot be opened: check that its folder exists and that this user may write there.`,
    [FULL]: `the disk that holds ${path} is full.`,
    [IOERR]: `${path} cannot be read or written: the disk reports an error.`,
    [BUSY]: `${path} is locked by another program.`,
  }
  const explanation = explanations[resultCode(error) ?? -1]
  return explanation ? new StartupError(`DATABASE_URL: ${explanation}`, { cause: error }) : error
}
