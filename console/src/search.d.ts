/** What stands in a URL after its question mark, as text. */
type Search = Record<string, string | undefined>
