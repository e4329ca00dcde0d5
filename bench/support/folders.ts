import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for this run, removed when the run ends. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
