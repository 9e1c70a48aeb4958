import { kubectlSuite } from './_kubectl-suite.ts'

kubectlSuite('kubectl-oldest', { minor: 20 })
