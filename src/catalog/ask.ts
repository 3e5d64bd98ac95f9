/**
 * Asks the catalog something, in SQL that PostgreSQL speaks as well; each `?` stands for the next value. The tables' constraints
 * (migrations.ts) are what makes its rows what the caller says they are.
 */
export type Ask = <Row>(text: string, values?: readonly (string | number)[]) => Promise<readonly Row[]>
