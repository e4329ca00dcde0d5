/** Milliseconds by a clock that all processes of a machine share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** A word that says when it was written. */
export function stamp(): string {
  return `@${sharedNowMs().toFixed(3)} `
}

/** When the stamps in `text` were written. */
export function stampsIn(text: string): number[] {
  return Array.from(text.matchAll(/@(\d+\.\d{3}) /g), ([, at]) => Number(at))
}
