// A plugin of Stryker's: what an error says is no behaviour, what it is and when it comes is.
interface Path {
  isNewExpression(): boolean
  node: { callee?: { name?: string } }
}

export const strykerPlugins = [
  {
    kind: 'Ignore',
    name: 'messages',
    value: {
      shouldIgnore: (path: Path): string | undefined =>
        path.isNewExpression() && path.node.callee?.name?.endsWith('Error')
          ? 'the message of an error'
          : undefined,
    },
  },
]
