/** One rule of a contract, as something to run. Ids are stable and public: `--filter`, reports and issues name them. */
export interface Case<Fixture> {
  /** `group/name`, such as `store/replace-gone`. */
  id: string
  /** A sentence about what a right implementation does. */
  title: string
  /** The rule of the contract, in its own words where it has them. */
  rule: string
  /**
   * Where the rule comes from: links into docs/design.md and docs/requirements.md, separated by commas. After a
   * semicolon whatever else there is to say, such as a CVE or an RFC.
   */
  source: string
  /** What a user feels when it is broken. */
  why: string
  /** What to change in an implementation that breaks it. */
  remedy?: string
  /** A quick run takes some of the cases of one family, which differ in a single value; others on another day. */
  family?: string
  /** It stops or changes the process, floods the backend, or needs it quick: no other case runs at the same time. */
  alone?: true
  /** It makes random choices, by `fixture.seed`; a report of its failure names the seed. */
  random?: true
  /** Why the case does not apply to this fixture, if it does not. */
  skip?(fixture: Fixture): string | undefined
  /** Throws (`CaseFailure` where the rule is broken) or is content. */
  run(fixture: Fixture): Promise<void>
}

/** Thrown by a case that finds out while it runs that it does not apply. */
export class DoesNotApply extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'DoesNotApply'
  }
}
