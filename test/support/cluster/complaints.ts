/** Of what nodes complained, what is not a start while PostgreSQL was away. */
export function unforeseen(complaints: string[]): string[] {
  return complaints.filter((said) => !/^Parley can't start\.\nDATABASE_URL: PostgreSQL at \S+ /.test(said))
}
