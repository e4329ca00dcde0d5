import { until } from '../until.ts'
import { audit, type Audit } from './audit.ts'
import { type PostersOptions, startPosters } from './posters.ts'
import type { Random } from './random.ts'
import { createReaders, isEnd } from './readers.ts'
import type { Target } from './target.ts'
import { createWitness } from './witness.ts'

/** Enough to keep two cores busy, and every interaction shared by several posters. */
const usual: PostersOptions = {
  posters: 6,
  interactions: 8,
  postsEach: 20,
  maxReaders: 24,
  maxPauseMs: 20,
  longestMs: 15_000,
}

/** Clients that post and clients that read, all at once, through whatever happens to the server. */
export function startLoad(target: Target, random: Random, options: Partial<PostersOptions> = {}) {
  const witness = createWitness()
  const readers = createReaders(target, witness, random)
  const posters = startPosters(target, witness, readers, random, { ...usual, ...options })
  return {
    witness,
    /** Cuts every reader off. */
    cut: readers.cut,
    /** Resolves when so many more posts have been accepted. */
    async accepts(more: number) {
      const accepted = () => witness.attempted.filter(({ outcome }) => outcome === 'accepted').length
      const goal = accepted() + more
      await until(`${more} more posts accepted`, () => accepted() >= goal, 15_000)
    },
    /** Resolves as soon as a reader is told more of an answer, and not yet its end. */
    async answering() {
      const before = new Map(witness.readings.map((reading) => [reading, reading.events.length]))
      await until(
        'an answer in the making',
        () =>
          witness.readings.some(
            (reading) =>
              reading.events.length > (before.get(reading) ?? 0) &&
              reading.events.at(-1)?.type === 'text.delta' &&
              !reading.events.some(isEnd),
          ),
        15_000,
      )
    },
    /** Posts no more, gives every answer `withinMs` to come to its end, and says what was found. */
    async finish(withinMs = 15_000): Promise<Audit> {
      await posters.stop()
      await readers.done(withinMs)
      return audit(target, witness, withinMs)
    },
  }
}
