/** One figure of a benchmark, and what it should be where that was promised. */
export interface Line {
  bench: string
  what: string
  measured: number
  unit: string
  target?: { atLeast: number } | { atMost: number }
  /** What the figure was made of. */
  of?: string
}

/** A short run, to see that it works: its figures say little. */
export const isQuick = process.env['BENCH_QUICK'] === '1'

export function isMet({ measured, target }: Line): boolean | undefined {
  if (!target) return undefined
  return 'atLeast' in target ? measured >= target.atLeast : measured <= target.atMost
}

export function printLines(lines: Line[]): void {
  console.table(
    lines.map((line) => ({
      bench: line.bench,
      what: line.what,
      measured: `${round(line.measured)} ${line.unit}`.trim(),
      target: describeTarget(line),
      met: describeMet(line),
      of: line.of ?? '',
    })),
  )
}

function describeTarget({ target, unit }: Line): string {
  if (!target) return ''
  return 'atLeast' in target ? `≥ ${target.atLeast} ${unit}`.trim() : `≤ ${target.atMost} ${unit}`.trim()
}

function describeMet(line: Line): string {
  const met = isMet(line)
  if (met === undefined) return ''
  return met ? 'yes' : 'NO'
}

/** Three digits say all that is to be said. */
export function round(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))
}
