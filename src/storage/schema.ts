import type { Generated } from 'kysely'

/**
 * The tables, as every engine has them. Times are integer milliseconds since 1970 (UTC), ids are UUIDv7
 * texts, and what ends in `Json` is JSON in a text column: portable, and safe for any string that JSON can say.
 */
export interface Schema {
  interactions: InteractionRow
  branches: BranchRow
  messages: MessageRow
  replies: ReplyRow
  events: EventRow
  changes: ChangeRow
  idempotency_keys: IdempotencyKeyRow
  provider_rates: ProviderRateRow
  /** Only where there can be more than one. */
  nodes: NodeRow
}

/** On PostgreSQL, the number of a log is the millisecond of its making times this, and a count. */
export const logsPerMs = 1_024

/** A conversation and its settings. */
export interface InteractionRow {
  id: string
  owner_id: string
  title: string | null
  model: string
  /** Who else may answer, in order. */
  fallbacks_json: string | null
  role: string
  prompt: string | null
  sampling_json: string
  /** What is to be done where the usual would not be right. */
  policy_json: string | null
  metadata_json: string
  /** The position that was given last; the next message gets this plus one. */
  last_position: number
  /** The branch that the next message belongs to. */
  current_branch: number
  /** The number that was given last to a change. */
  last_change: Generated<number>
  /** The door that lists it as something of its own. */
  origin: string | null
  /** When it is to be removed; it is not listed. */
  expires_at: number | null
  created_at: number
  updated_at: number
}

/**
 * Another way that a conversation went. What came first is branch 0, which has no row. Rows of one interaction are
 * written by who holds it.
 */
export interface BranchRow {
  id: string
  interaction_id: string
  /** 1, 2, 3, … in the order of their making. */
  number: number
  /** The last position that it shares with the branch it left; 0 where it shares none. */
  fork_position: number
  /** Of its first own message. */
  first_position: number
  /** What it shares, oldest first: pairs of a branch and the last position that belongs to it. */
  path_json: string
  created_at: number
}

/** What was said. For an answer in the making, the content is written when its reply is settled. */
export interface MessageRow {
  id: string
  interaction_id: string
  position: number
  role: string
  content_json: string
  metadata_json: string
  /** Estimated tokens of the content, so that fitting the history to a window reads no texts. */
  tokens: number
  branch: number
  created_at: number
  updated_at: number
}

/** How an AI message came, or is coming, to be. Has the id of its message. */
export interface ReplyRow {
  /** The number of its event log: in place of the id it keeps the rows and the index of events small. */
  log: Generated<number>
  id: string
  interaction_id: string
  position: number
  status: string
  model: string
  /** The number of the try that may write; raised with every claim (the fencing token). */
  attempt: number
  /** The try whose words are its content, where its log told others before. */
  told_attempt: number | null
  /** Who makes the attempt, where there is more than one node. */
  node: number | null
  /** Tries that ended because their process did. */
  crashes: number
  /** Tries that ended in a retryable failure of the provider. */
  failures: number
  /** Tries that the provider refused for its rate limit. */
  throttles: number
  /** Not to be claimed before this time. */
  not_before: number | null
  /** Since when it waits for a provider that nobody may ask now. */
  waiting_since: number | null
  /** When it may ask its provider, where that has a limit for each minute. */
  slot_at: number | null
  /** The models that failed before, newest last. */
  tried_json: string | null
  finish_reason: string | null
  usage_json: string | null
  error_json: string | null
  /** Of its message. */
  branch: number
  /** What its post asked for beyond the settings of the interaction. */
  options_json: string | null
  created_at: number
  started_at: number | null
  completed_at: number | null
  updated_at: number
}

/** A numbered event in a reply's log; `data_json` is sent to readers as it stands. */
export interface EventRow {
  log: number
  sequence: number
  type: string
  data_json: string
  created_at: number
}

/** What happened in an interaction beside posts and the events of replies. */
export interface ChangeRow {
  id: string
  interaction_id: string
  /** 1, 2, 3, … in its interaction, without gaps but for what is not kept any more. */
  sequence: number
  /** The last position of the interaction when it happened. */
  position: number
  type: string
  data_json: string
  created_at: number
}

/** A request that was done and may come again; `answer_json` has the ids of what it made. */
export interface IdempotencyKeyRow {
  number: Generated<number>
  owner_id: string
  key: string
  fingerprint: string
  answer_json: string
  created_at: number
}

/** How often a provider was asked, and will be, in the last minute and the next. */
export interface ProviderRateRow {
  provider: string
  window_json: string
}

/** A process of the cluster; holds a session lock of its number as long as it lives. */
export interface NodeRow {
  number: Generated<number>
  started_at: number
}
