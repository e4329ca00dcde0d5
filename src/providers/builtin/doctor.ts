/**
 * The idea of ELIZA's DOCTOR script (Weizenbaum, CACM 9(1), 1966) with rules of our own: find the keyword of
 * the highest rank, take the sentence apart around it, turn its persons round, and put it into an answer.
 */
interface Rule {
  pattern: RegExp
  answers: readonly string[]
}

/** In order of rank. `$1` is what the pattern caught, with its persons turned round. */
const rules: readonly Rule[] = [
  {
    pattern: /\b(?:hello|hi|hey|good (?:morning|evening|day))\b/i,
    answers: ['Hello. What brings you here today?', 'Good to meet you. What is on your mind?'],
  },
  {
    pattern: /\b(?:bye|goodbye|see you)\b/i,
    answers: ['Goodbye. Everything that was said here is kept.', 'Goodbye. Come back whenever you like.'],
  },
  {
    pattern: /\bthank(?:s| you)\b/i,
    answers: ['You are welcome. Shall we go on?', 'Not at all. What else is there?'],
  },
  {
    pattern: /\b(?:computer|machine|server|model|robot|ai)s?\b/i,
    answers: [
      'Do machines worry you?',
      'What do you think machines have to do with it?',
      'Would you say the same to a person?',
    ],
  },
  {
    pattern: /\bmy (mother|father|sister|brother|family|wife|husband|son|daughter|friend)\b(.*)/i,
    answers: ['Tell me more about your $1.', 'What else comes to mind when you think of your $1?'],
  },
  {
    pattern: /\bi (?:want|need|would like) (.+)/i,
    answers: ['What would it mean to you to get $1?', 'Why do you want $1?', 'And if you never got $1?'],
  },
  {
    pattern: /\bi(?: a|')m (?:very |so |really |a bit )?(sad|unhappy|tired|afraid|angry|lonely|worried)\b/i,
    answers: ['I am sorry to hear that you are $1.', 'For how long have you been $1?'],
  },
  {
    pattern: /\bi(?: a|')m (.+)/i,
    answers: [
      'How long have you been $1?',
      'How do you feel about being $1?',
      'Did you come because you are $1?',
    ],
  },
  {
    pattern: /\bi (?:feel|felt) (.+)/i,
    answers: ['Do you often feel $1?', 'What makes you feel $1?', 'Of what does feeling $1 remind you?'],
  },
  {
    pattern: /\bi (?:can't|cannot|can not) (.+)/i,
    answers: ['What keeps you from being able to $1?', 'Have you tried to $1?'],
  },
  {
    pattern: /\bi (?:think|believe|suppose) (?:that )?(.+)/i,
    answers: ['Do you really think $1?', 'But you are not sure that $1?'],
  },
  {
    pattern: /\bi remember (.+)/i,
    answers: ['Do you often think of $1?', 'Why do you remember $1 just now?'],
  },
  {
    pattern: /\b(?:are|can|could|would|will|do) you\b(.*)/i,
    answers: ['Why are you interested in me?', 'We were talking about you, not about me.', 'What if I did?'],
  },
  {
    pattern: /\bbecause\b(.*)/i,
    answers: ['Is that the real reason?', 'Does that reason explain anything else?'],
  },
  {
    pattern: /\b(?:sorry|apologi[sz]e)\b/i,
    answers: ['There is no need to apologise.', 'What do you feel when you apologise?'],
  },
  {
    pattern: /\b(?:always|never|everyone|nobody|everybody)\b/i,
    answers: ['Can you think of a case?', 'Really without exception?'],
  },
  {
    pattern: /^(?:why|how|what|when|where|who)\b(.*)\?/i,
    answers: [
      'What do you think?',
      'What answer would please you most?',
      'Why does that question interest you?',
    ],
  },
  { pattern: /\byes\b/i, answers: ['You seem quite sure.', 'I see. Go on.'] },
  { pattern: /\bno\b/i, answers: ['Why not?', 'You are being a little negative.'] },
]

const fallbacks = ['Please go on.', 'Tell me more about that.', 'What does that suggest to you?', 'I see.']

const turned = new Map([
  ['i', 'you'],
  ['me', 'you'],
  ['my', 'your'],
  ['mine', 'yours'],
  ['myself', 'yourself'],
  ['am', 'are'],
  ["i'm", 'you are'],
  ['you', 'I'],
  ['your', 'my'],
  ['yours', 'mine'],
  ['yourself', 'myself'],
])

/**
 * What the DOCTOR says to `said` in the given `turn` of the conversation, counted from 0. Deterministic: the
 * turn picks among a rule's answers.
 */
export function answer(said: string, turn: number): string {
  // The keywords stand in the first words; a long text is not searched to its end.
  const heard = said.slice(0, 500)
  for (const { pattern, answers } of rules) {
    const match = pattern.exec(heard)
    if (match) return pick(answers, turn).replace('$1', () => turnPersons(match[1] ?? ''))
  }
  return pick(fallbacks, turn)
}

function pick(answers: readonly string[], turn: number): string {
  return answers[turn % answers.length] ?? 'Please go on.'
}

function turnPersons(words: string): string {
  return words
    .trim()
    .replace(/[.?!,;].*$/s, '')
    .split(/\s+/)
    .map((word) => turned.get(word.toLowerCase()) ?? word)
    .join(' ')
}
