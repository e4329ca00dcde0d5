import { z } from 'zod'

/** Text that every engine and every client can carry: well-formed Unicode without U+0000. */
export function plainText({ min = 0, max }: { min?: number; max: number }) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((text) => !text.includes('\u0000'), { error: 'must not contain U+0000' })
    .refine((text) => text.isWellFormed(), { error: 'must be well-formed Unicode' })
}

/** `text` in small letters: those of a part of it are a part of its own. A sigma is not one at the end of a word. */
export function lowered(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ')
}

/** `text` so that they can carry it: without U+0000, and with U+FFFD for each half of a character. */
export function carried(text: string): string {
  return withoutNull(text).toWellFormed()
}

/**
 * The same for a text that comes in pieces. The first half of a character waits for the piece that has the other;
 * where none comes, it is not told.
 */
export function createCarrying(): (piece: string) => string {
  let half = ''
  return (piece) => {
    const text = half + withoutNull(piece)
    const last = text.slice(-1)
    half = /[\ud800-\udbff]/.test(last) ? last : ''
    return text.slice(0, text.length - half.length).toWellFormed()
  }
}

function withoutNull(text: string): string {
  return text.includes('\u0000') ? text.replaceAll('\u0000', '') : text
}
