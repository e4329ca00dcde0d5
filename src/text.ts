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
