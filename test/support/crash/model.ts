import { type Behaviour, refuses, says } from '../upstream.ts'
import type { Random } from './random.ts'

/** How often a model refuses to answer at all, so that retries are interrupted too. */
const refusesOf = 0.03

/**
 * A model whose every answer is different, tells which question it is to, and shows whether it is whole and of
 * one piece. Between two words it pauses for up to `maxPauseMs`.
 */
export function answersRecognizably(random: Random, maxPauseMs = 3): Behaviour {
  let count = 0
  return (response, request) => {
    if (random.chance(refusesOf)) return refuses(503)(response, request)
    count += 1
    const question = String(request.body.messages.at(-1)?.content)
    const words = Array.from({ length: random.between(0, 60) }, (_, index) => `${index} `)
    const answer = [`answer ${count} to `, `<${question}> `, ...words, `end of ${count}`]
    return says(answer, { pauseMs: random.between(0, maxPauseMs) })(response, request)
  }
}

/** Whether `text` is one whole answer to `question`. */
export function isWholeAnswer(text: string, question: string): boolean {
  const [, count, to, words = '', end] = /^answer (\d+) to <(.*)> ((?:\d+ )*)end of (\d+)$/.exec(text) ?? []
  const numbers = words.split(' ').slice(0, -1)
  return to === question && count === end && numbers.every((number, index) => Number(number) === index)
}
