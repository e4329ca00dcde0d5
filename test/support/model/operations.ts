import type { Random } from '../crash/random.ts'
import {
  type Conversation,
  type Message,
  type OnBusy,
  openIn,
  type Operation,
  type Post,
  wayOf,
} from './rules.ts'

/** What a client does next: one operation, several posts at the same time, or to follow what is being made. */
export type Move =
  | { kind: 'operation'; operation: Operation; twice: boolean; stream: boolean }
  | { kind: 'burst'; posts: Post[] }
  | { kind: 'read'; id: string }
  | { kind: 'let them end' }
  | { kind: 'remove' }
  | { kind: 'leave' }

/** How often there is each, of a thousand. */
const shares: Array<[number, Move['kind'] | Operation['kind']]> = [
  [340, 'post'],
  [110, 'regenerate'],
  [100, 'edit'],
  [110, 'cancel'],
  [80, 'delete'],
  [30, 'correct'],
  [50, 'change over'],
  [30, 'fork'],
  [50, 'burst'],
  [60, 'read'],
  [20, 'let them end'],
  [10, 'remove'],
]

/** Conversations are left when they have become so long. */
const maxPositions = 60

const policies: OnBusy[] = ['queue', 'reject', 'interrupt', 'rollback']
const anyOnBusy = (random: Random) => (random.chance(0.5) ? random.pick(policies) : undefined)
const anyModel = (random: Random) => (random.chance(0.25) ? 'waits' : 'echo')

export function anyPolicy(random: Random): OnBusy {
  return random.pick(policies)
}

/** The next move in a conversation; `content` is like no other. */
export function nextMove(conversation: Conversation, random: Random, content: string): Move {
  if (conversation.lastPosition > maxPositions) return { kind: 'leave' }
  const kind = draw(random)
  switch (kind) {
    case 'burst':
      return { kind, posts: burst(random, content) }
    case 'read':
      return { kind, id: anyReply(conversation, random) }
    case 'let them end':
    case 'remove':
    case 'leave':
      return { kind }
    case 'operation':
    case 'post':
      return turn({ kind: 'post', content, ...how(random), ...place(conversation, random) }, random)
    case 'regenerate':
      return turn({ kind, id: anyMessage(conversation, random), ...how(random) }, random)
    case 'edit':
      return turn({ kind, id: anyMessage(conversation, random), content, ...how(random) }, random)
    case 'cancel':
      return turn({ kind, id: anyReply(conversation, random) }, random)
    case 'delete':
      return turn({ kind, id: anyMessage(conversation, random) }, random)
    case 'correct':
      return turn({ kind, id: anyMessage(conversation, random), content }, random)
    case 'change over':
      // One of them is none.
      return turn({ kind, branch: random.between(0, conversation.branches.length) }, random)
    case 'fork':
      return turn({ kind, id: random.chance(0.3) ? undefined : anyMessage(conversation, random) }, random)
  }
}

function draw(random: Random) {
  let left = random.between(0, shares.reduce((sum, [share]) => sum + share, 0) - 1)
  for (const [share, kind] of shares) {
    left -= share
    if (left < 0) return kind
  }
  return 'post'
}

function turn(operation: Operation, random: Random): Move {
  return { kind: 'operation', operation, twice: random.chance(0.1), stream: random.chance(0.15) }
}

function how(random: Random) {
  return { model: anyModel(random), onBusy: anyOnBusy(random) } as const
}

/** Mostly a question at the end of the conversation. */
function place(conversation: Conversation, random: Random): Pick<Post, 'role' | 'parent'> {
  const role = random.chance(0.85) ? 'Human' : random.pick(['System', 'AI'] as const)
  if (random.chance(0.75)) return { role }
  return { role, parent: random.chance(0.1) ? null : anyMessage(conversation, random) }
}

/** Those that take the place of each other are all of that kind: one that is gone can't be told from another. */
function burst(random: Random, content: string): Post[] {
  const together = random.chance(0.3) ? (['rollback'] as const) : (['queue', 'reject', 'interrupt'] as const)
  return Array.from({ length: random.between(2, 5) }, (_, index) => ({
    kind: 'post',
    content: `${content}, ${index}`,
    role: 'Human',
    model: anyModel(random),
    onBusy: random.pick(together),
  }))
}

/** Of the current branch rather than of others, and now and then one that is there no more. */
function anyMessage(
  conversation: Conversation,
  random: Random,
  of: (message: Message) => boolean = () => true,
) {
  const { messages, removed, currentBranch } = conversation
  if (removed.length > 0 && random.chance(0.04)) return random.pick(removed)
  const [way, all] = [wayOf(conversation, currentBranch).filter(of), messages.filter(of)]
  const found = way.length > 0 && random.chance(0.7) ? random.pick(way) : random.pick(all)
  return (all.length > 0 ? found : random.pick(messages))?.id ?? nobody
}

/** One that is open rather than one that has ended. */
function anyReply(conversation: Conversation, random: Random): string {
  const open = openIn(conversation)
  if (open.length > 0 && random.chance(0.8)) return random.pick(open).id
  return anyMessage(conversation, random, ({ model }) => model !== undefined)
}

/** The id of no message. */
const nobody = '00000000-0000-7000-8000-000000000000'
