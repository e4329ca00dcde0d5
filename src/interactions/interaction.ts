export const roles = ['System', 'Human', 'AI', 'Tool'] as const
export type Role = (typeof roles)[number]

/** How a model is asked to answer; what is not set is left to the model. */
export interface Sampling {
  temperature?: number | undefined
  top_p?: number | undefined
  max_output_tokens?: number | undefined
  stop?: string[] | undefined
  seed?: number | undefined
  presence_penalty?: number | undefined
  frequency_penalty?: number | undefined
}

/** Up to 16 pairs of the client's own. */
export type Metadata = Record<string, string>

/** A conversation and its settings. */
export interface Interaction {
  id: string
  ownerId: string
  title: string | null
  /** As it was named; resolved when a message is posted. */
  model: string
  role: Role
  /** Goes to the model as the system message with every turn. */
  prompt: string | null
  sampling: Sampling
  metadata: Metadata
  createdAt: number
  updatedAt: number
}
