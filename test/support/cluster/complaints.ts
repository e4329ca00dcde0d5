/** What a node says that starts while PostgreSQL is away. */
export const couldNotStart =
  /Parley can't start\.\n(DATABASE_URL: PostgreSQL at \S+|The database) cannot be reached/

/** Of what nodes complained, what is not a start while PostgreSQL was away. */
export function unforeseen(complaints: string[]): string[] {
  return complaints.filter((said) => !couldNotStart.test(said))
}
