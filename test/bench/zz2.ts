import { writeDoubles } from '../../src/frames/fixed-values.ts'
const N=1024, M=100
const src=new DataView(new ArrayBuffer(N*8*M))
let state=1,value=100; for(let i=0;i<N*M;i++){ state=(Math.imul(state,1_664_525)+1_013_904_223)|0; value+=state/2**31; src.setFloat64(i*8,value,true)}
const mem=Buffer.alloc(300000); const out={bytes:mem,view:new DataView(mem.buffer,mem.byteOffset,mem.length),position:0}
const batch={view:src,rows:N*M,validity:-1,values:0,data:[]}
const t=[];for(let r=0;r<60;r++){const s=process.hrtime.bigint(); for(let k=0;k<M;k++){out.position=0; writeDoubles(batch,k*N,k*N+N,out)} ; t.push(Number(process.hrtime.bigint()-s)/N/M)}
t.sort((a,b)=>a-b);console.log(t[30]!.toFixed(1),t[0]!.toFixed(1))
