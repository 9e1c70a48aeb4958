/** Express 4 under its alias; what the tests touch of it is typed like Express 5. */
declare module 'express4' {
  import express from 'express'

  export default express
}
