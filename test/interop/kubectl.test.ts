import { kubectlSuite } from './_kubectl-suite.ts'

kubectlSuite('kubectl', { minor: 36 })
