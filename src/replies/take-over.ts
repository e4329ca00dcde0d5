import type { ContentPart } from '../messages/content.ts'
import { textOf } from '../messages/content.ts'
import type { OpenReply } from './open-store.ts'

/** How an attempt begins at a reply that may have been begun before. */
export interface Beginning {
  /** No model is asked: it was left by a crash once too often, or must not be asked for twice. */
  isGivenUp: boolean
  /** Whether what readers were told before stays; it is not read where nothing could stay. */
  keeps: ((said: ContentPart[]) => boolean) | undefined
}

/**
 * What an attempt does with those before it. One that ended with its process left the reply `in_progress`; one that
 * was stopped put it back, and that is no crash. `canContinue` says whether its model can go on with what it said.
 */
export function beginningOf(
  { status, attempt, crashes, options }: Pick<OpenReply, 'status' | 'attempt' | 'crashes' | 'options'>,
  canContinue: boolean,
  maxCrashes: number,
): Beginning {
  const { onCrash = 'retry', maxAttempts = maxCrashes } = options
  const wasLeft = status === 'in_progress'
  // The attempt that was left is not among the crashes yet.
  const isGivenUp = wasLeft && (onCrash === 'fail' || crashes + 1 >= maxAttempts)
  if (attempt === 0 || onCrash === 'retry') return { isGivenUp, keeps: undefined }
  if (isGivenUp) return { isGivenUp, keeps: (said) => said.length > 0 }
  return { isGivenUp, keeps: onCrash === 'continue' && canContinue ? mayGoOn : undefined }
}

const plain = new Set<string>(['text', 'reasoning'])

/** A model can go on with a text; not with a call of a tool, or with thoughts alone. */
function mayGoOn(said: ContentPart[]): boolean {
  return textOf(said).trim() !== '' && said.every(({ type }) => plain.has(type))
}
