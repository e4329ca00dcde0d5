import type { Progress } from './copy.ts'

const words = { copy: 'copied', compare: 'compared' }

/** A line about how far it is, after `ms` in which `rowsNow` were done. */
export function progressLine({ step, rows, total }: Progress, rowsNow: number, ms: number): string {
  const percent = total === 0 ? 100 : Math.floor((100 * rows) / total)
  const perSecond = ms === 0 ? 0 : Math.round(rowsNow / (ms / 1_000))
  return `${words[step]} ${inThousands(rows)} of ${inThousands(total)} rows, ${percent} %, ${inThousands(perSecond)} rows/s`
}

export function inThousands(number: number): string {
  return number.toLocaleString('en-US')
}
