/** Two cards, one behind the other. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect x="2" y="2" width="14" height="14" rx="3" fill="#5eb8a6"/><rect x="8" y="8" width="14" height="14" rx="3" fill="#0f766e"/></svg>
`
