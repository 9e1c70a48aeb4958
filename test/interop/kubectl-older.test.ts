import { kubectlSuite } from './_kubectl-suite.ts'

kubectlSuite('kubectl-older', { minor: 28 })
