/** What a post does where an answer is open. */
export type OnBusy = 'queue' | 'reject' | 'interrupt' | 'rollback'

export interface Message {
  id: string
  position: number
  branch: number
  role: 'Human' | 'System' | 'AI'
  /** Who makes it: `echo` says `You said: …` and ends, `waits` ends only when it is ended. Undefined: a client said it. */
  model: 'echo' | 'waits' | undefined
  status: 'open' | 'completed' | 'cancelled'
  /** What was said together with it, by id. */
  question?: string
  /** What it may say: one text, as soon as that was seen; none before it begins. */
  texts: Set<string>
  /** Of a reply in another conversation, where its log is. */
  isCopy?: true
  /** Its text is not that of its log any more. */
  isCorrected?: true
}

/** A way that left branch `parent` behind `forkPosition`. What came first is number 0. */
export interface Branch {
  parent: number
  forkPosition: number
  firstPosition: number
}

export interface Conversation {
  onBusy: OnBusy
  lastPosition: number
  currentBranch: number
  /** By their numbers. */
  branches: Branch[]
  /** In the order of their positions. */
  messages: Message[]
  /** The ids of what was there once. */
  removed: string[]
}

export type Operation =
  | Post
  | { kind: 'regenerate'; id: string; model: 'echo' | 'waits'; onBusy?: OnBusy | undefined }
  | { kind: 'edit'; id: string; content: string; model: 'echo' | 'waits'; onBusy?: OnBusy | undefined }
  | { kind: 'cancel' | 'delete'; id: string }
  | { kind: 'correct'; id: string; content: string }
  | { kind: 'change over'; branch: number }
  | { kind: 'fork'; id?: string | undefined }

export interface Post {
  kind: 'post'
  content: string
  role: Message['role']
  model: 'echo' | 'waits'
  /** Null: in front of all; undefined: behind the newest of the current branch. */
  parent?: string | null | undefined
  onBusy?: OnBusy | undefined
}

/** The ids that the server gave to what an operation made. */
export interface NewIds {
  said: string
  reply: string
}

/** What is answered when all goes well. */
export interface Made {
  message?: Message | undefined
  reply?: Message | null
  forked?: Conversation
}

/** An operation that must change nothing, and be answered with `status` and `code`. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string) {
    super(`${status} ${code}`)
    this.status = status
    this.code = code
  }
}

export function begin(onBusy: OnBusy): Conversation {
  const first = { parent: 0, forkPosition: 0, firstPosition: 1 }
  return { onBusy, lastPosition: 0, currentBranch: 0, branches: [first], messages: [], removed: [] }
}

/** Does `operation` in the conversation; where it throws a Refusal, the conversation is of no use any more. */
export function apply(conversation: Conversation, operation: Operation, ids: NewIds): Made {
  const made = perform(conversation, operation, ids)
  think(conversation)
  return made
}

function perform(conversation: Conversation, operation: Operation, ids: NewIds): Made {
  switch (operation.kind) {
    case 'post':
      return say(conversation, operation, ids)
    case 'regenerate': {
      const message = find(conversation, operation.id)
      const parent = message.role === 'AI' ? parentOf(conversation, message) : message
      if (parent?.role !== 'Human') throw new Refusal(422, 'invalid_request')
      return say(conversation, { ...operation, parent: parent.id }, ids)
    }
    case 'edit': {
      const message = find(conversation, operation.id)
      const parent = parentOf(conversation, message)?.id ?? null
      return say(conversation, { ...operation, role: message.role, parent }, ids)
    }
    case 'cancel': {
      const message = find(conversation, operation.id)
      if (!message.model) throw new Refusal(404, 'not_found')
      if (message.status === 'open') cancel(conversation, message)
      return { message }
    }
    case 'delete':
      remove(conversation, find(conversation, operation.id))
      return {}
    case 'correct': {
      const message = find(conversation, operation.id)
      if (message.status === 'open') throw new Refusal(409, 'reply_in_progress')
      message.texts = new Set([operation.content])
      message.isCorrected = true
      return { message }
    }
    case 'change over':
      if (!conversation.branches[operation.branch]) throw new Refusal(422, 'invalid_request')
      conversation.currentBranch = operation.branch
      return {}
    case 'fork':
      return { forked: fork(conversation, operation.id) }
  }
}

/** Takes the next positions for what is said (nothing, where an answer is made anew) and for its answer. */
function say(
  conversation: Conversation,
  given: Pick<Post, 'model' | 'parent' | 'onBusy'> & Partial<Pick<Post, 'content' | 'role'>>,
  ids: NewIds,
): Made {
  const { content, role = 'Human', parent, model, onBusy = conversation.onBusy } = given
  const isAnswered = role === 'Human'
  if (isAnswered) makeWay(conversation, onBusy, parent)
  if (parent !== undefined) conversation.currentBranch = branchBehind(conversation, parent)
  const add = (id: string, more: Pick<Message, 'role' | 'model' | 'status' | 'texts'>) => {
    conversation.lastPosition += 1
    const { lastPosition: position, currentBranch: branch } = conversation
    const message: Message = { id, position, branch, ...more }
    conversation.messages.push(message)
    return message
  }
  const message =
    content === undefined
      ? find(conversation, parent ?? '')
      : add(ids.said, { role, model: undefined, status: 'completed', texts: new Set([content]) })
  const reply = isAnswered ? add(ids.reply, { role: 'AI', model, status: 'open', texts: new Set() }) : null
  if (reply && content !== undefined) reply.question = message.id
  return { message, reply }
}

/** What becomes of the open answers when another one is asked for behind `parent`: what that stands on stays. */
function makeWay(conversation: Conversation, onBusy: OnBusy, parent: string | null | undefined): void {
  const open = openIn(conversation)
  if (onBusy === 'reject' && open.length > 0) throw new Refusal(409, 'interaction_busy')
  // The last one first: whether it has begun depends on those before it.
  if (onBusy === 'interrupt') for (const reply of open.toReversed()) cancel(conversation, reply)
  if (onBusy !== 'rollback' || open.length === 0) return
  const followed = conversation.messages.find(({ id }) => id === parent)
  const kept = new Set(followed && wayTo(conversation, followed))
  for (const reply of open.toReversed()) {
    if (kept.has(reply) || isStoodOn(conversation, reply)) {
      cancel(conversation, reply)
      continue
    }
    remove(conversation, reply)
    const question = conversation.messages.find(({ id }) => id === reply.question)
    if (question && !kept.has(question) && !isStoodOn(conversation, question)) remove(conversation, question)
  }
  if (parent === undefined) leaveEmptyBranch(conversation)
}

/** Whether any way leads over a message to another one. */
function isStoodOn(conversation: Conversation, message: Message): boolean {
  return conversation.messages.some(
    (other) => other !== message && wayTo(conversation, other).includes(message),
  )
}

function leaveEmptyBranch(conversation: Conversation): void {
  const isEmpty = (number: number) => !conversation.messages.some(({ branch }) => branch === number)
  while (conversation.currentBranch !== 0 && isEmpty(conversation.currentBranch)) {
    conversation.currentBranch = conversation.branches[conversation.currentBranch]?.parent ?? 0
  }
}

/** The branch of what follows `parent`: its own where it is the last one there, else a new one. */
function branchBehind(conversation: Conversation, parent: string | null): number {
  const { messages, branches, lastPosition } = conversation
  const found = messages.find(({ id }) => id === parent)
  if (parent !== null && !found) throw new Refusal(422, 'invalid_request')
  const { branch, position } = found ?? { branch: 0, position: 0 }
  const isFollowed = messages.some((message) => message.branch === branch && message.position > position)
  if (!isFollowed) return branch
  return branches.push({ parent: branch, forkPosition: position, firstPosition: lastPosition + 1 }) - 1
}

/** What was said stays: some of it may have been told already, if it had begun. */
function cancel(conversation: Conversation, reply: Message): void {
  const said = reply.model === 'waits' ? ['Once '] : ['You ', 'You said: ', ...reply.texts]
  reply.texts = new Set(mayRun(conversation, reply) ? ['', ...said] : [''])
  reply.status = 'cancelled'
}

function remove(conversation: Conversation, { id }: Message): void {
  conversation.messages = conversation.messages.filter((message) => message.id !== id)
  conversation.removed.push(id)
}

/** Copies of what was said on the way up to a message, numbered anew. Whoever forks learns their ids. */
function fork(conversation: Conversation, id: string | undefined): Conversation {
  const last = conversation.messages.find((message) => message.id === id)
  if (id !== undefined && !last) throw new Refusal(422, 'invalid_request')
  const { branch = conversation.currentBranch, position = Infinity } = last ?? {}
  const copied = wayOf(conversation, branch).filter((message) => message.position <= position)
  if (copied.some(({ status }) => status === 'open')) throw new Refusal(409, 'reply_in_progress')
  return {
    ...begin(conversation.onBusy),
    lastPosition: copied.length,
    messages: copied.map((message, index) => ({
      ...message,
      id: `copy of ${message.id}`,
      position: index + 1,
      branch: 0,
      texts: new Set(message.texts),
      isCopy: true,
    })),
  }
}

function find({ messages }: Conversation, id: string): Message {
  const found = messages.find((message) => message.id === id)
  if (!found) throw new Refusal(404, 'not_found')
  return found
}

/** The messages of a branch, with those that it shares with the one it left. */
export function wayOf(conversation: Conversation, number: number): Message[] {
  const { parent, forkPosition } = conversation.branches[number] ?? { parent: 0, forkPosition: 0 }
  const own = conversation.messages.filter(({ branch }) => branch === number)
  if (number === 0) return own
  return [...wayOf(conversation, parent).filter(({ position }) => position <= forkPosition), ...own]
}

/** A message, and what stands in front of it on its way. */
function wayTo(conversation: Conversation, { branch, position }: Message): Message[] {
  return wayOf(conversation, branch).filter((message) => message.position <= position)
}

/** What stands right in front of a message on its way. */
export function parentOf(conversation: Conversation, message: Message): Message | undefined {
  return wayTo(conversation, message).at(-2)
}

export function openIn({ messages }: Conversation): Message[] {
  return messages.filter(({ status }) => status === 'open')
}

/** Whether it is being made, or may be: answers are made in order, one at a time. */
export function mayRun(conversation: Conversation, { position }: Message): boolean {
  return !openIn(conversation).some((other) => other.model === 'waits' && other.position < position)
}

/** The oldest open answer comes to its end, if it is one that does. */
export function endOldest(conversation: Conversation): boolean {
  const [oldest] = openIn(conversation)
  if (oldest?.model !== 'echo') return false
  oldest.status = 'completed'
  return true
}

/** What an answer says depends on what was said before it, at the moment when it is made: any from now on. */
function think(conversation: Conversation): void {
  for (const reply of openIn(conversation)) {
    if (reply.model !== 'echo' || !mayRun(conversation, reply)) continue
    for (const text of lastSaid(conversation, reply)) reply.texts.add(`You said: ${text}`)
  }
}

/** The last thing that was said before an answer, of all that it may be. A System is heard only where nobody else spoke. */
function lastSaid(conversation: Conversation, reply: Message): Set<string> {
  const way = wayOf(conversation, reply.branch).filter(({ position }) => position < reply.position)
  const [system, others] = [
    way.filter(({ role }) => role === 'System'),
    way.filter(({ role }) => role !== 'System'),
  ]
  const said = new Set<string>()
  for (const { texts } of others.toReversed()) {
    for (const text of texts) if (text !== '') said.add(text)
    if (texts.size > 0 && !texts.has('')) return said
  }
  said.add(system.length > 0 ? system.flatMap(({ texts }) => [...texts]).join('\n\n') : 'undefined')
  return said
}
