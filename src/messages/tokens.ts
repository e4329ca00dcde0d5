import { estimateTokenCount } from 'tokenx'
import type { ContentPart, FilePart, ImagePart } from './content.ts'
import { inlineData } from './resource.ts'

/** What a chat format adds around each message, and around a call or its result. */
const tokensPerMessage = 4
const tokensPerCall = 8

/** Of a picture: vendors count from some 85, where they hardly look, to some 1,600. */
const pictureTokens = { low: 100, usual: 1_200 }
/** Of a file on the web, which nobody has seen yet: a paper of some pages. */
const remoteFileTokens = 10_000
/** A page of a PDF is some 50 KB and 2,000 tokens; a long one is taken for no more than that. */
const bytesPerToken = 25
const maxFileTokens = 100_000

/**
 * An estimate of the tokens of a message for models in general. Exact counts would need each model's own
 * vocabulary; byte-pair encoders also take seconds on hostile input (200,000 times "a": 37 s), this 2 ms.
 */
export function estimateTokens(content: ContentPart[]): number {
  // Text is counted as one: cut into many parts it would be rounded up for each.
  const text = content.map((part) => ('text' in part && part.type !== 'reasoning' ? part.text : '')).join('')
  return (
    estimateTokenCount(text) +
    tokensPerMessage +
    content.reduce((tokens, part) => tokens + tokensBesideText(part), 0)
  )
}

/** The same for a bare text. */
export function estimateTextTokens(text: string): number {
  return estimateTokenCount(text) + tokensPerMessage
}

function tokensBesideText(part: ContentPart): number {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return 0
    case 'reasoning':
      // Only thoughts that the provider wants back are sent again.
      return part.provider ? estimateTokenCount(part.text) + sizeInTokens(JSON.stringify(part.provider)) : 0
    case 'compaction':
      return estimateTokenCount(`${part.instructions ?? ''} ${part.summary} ${part.question ?? ''}`)
    case 'image':
    case 'file':
      return tokensOfResource(part)
    case 'tool_call':
      return tokensPerCall + estimateTokenCount(part.name + part.arguments)
    case 'tool_result':
      return (
        tokensPerCall +
        (typeof part.output === 'string' ? estimateTokenCount(part.output) : estimateTokens(part.output))
      )
  }
}

function tokensOfResource(part: ImagePart | FilePart): number {
  const data = inlineData(part.url)
  const mediaType = part.type === 'image' ? 'image/*' : (part.media_type ?? data?.mediaType ?? '')
  if (mediaType.startsWith('image/')) {
    return 'detail' in part && part.detail === 'low' ? pictureTokens.low : pictureTokens.usual
  }
  if (!data) return remoteFileTokens
  const bytes = (data.base64.length * 3) / 4
  const tokens = mediaType.startsWith('text/') ? bytes / 4 : bytes / bytesPerToken
  return Math.min(maxFileTokens, Math.ceil(tokens))
}

function sizeInTokens(text: string): number {
  return Math.ceil(text.length / 4)
}
