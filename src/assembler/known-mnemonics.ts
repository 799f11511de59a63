/**
 * Mnemonics of the SDM, whether the instruction table has them or not: a source that uses one which it lacks is told "not
 * supported yet", instead of being asked what it meant. Families whose members follow a pattern are left out.
 */

const GENERAL = `aaa aad aam aas adcx adox andn arpl bextr blsi blsmsk blsr bound bsf bsr bswap bt btc btr bts bzhi cbw cdq cdqe clac
cldemote clflush clflushopt clts clwb cmpxchg cmpxchg16b cmpxchg8b cqo crc32 cwd cwde daa das endbr32 endbr64 enter int1 into invd
invlpg invpcid jcxz jecxz jrcxz lahf lar lds leave les lfence lfs lgs lldt lmsw loop loope loopne loopnz loopz lsl lss lzcnt mfence
monitor movbe movdir64b movdiri movnti mulx mwait pdep pext popa popad popaw popcnt prefetchnta prefetcht0 prefetcht1 prefetcht2
prefetchw pusha pushad pushaw rcl rcr rdfsbase rdgsbase rdpid rdpkru rdpmc rdrand rdseed retf rorx rsm sahf salc sarx sfence shld
shlx shrd shrx smsw stac swapgs syscall sysenter sysexit sysret tpause tzcnt ud0 ud1 ud2 umonitor umwait verr verw wbinvd wbnoinvd
wrfsbase wrgsbase wrmsrns wrpkru xabort xadd xbegin xend xgetbv xlat xlatb xrstor xrstor64 xrstors xrstors64 xsave xsave64 xsavec
xsavec64 xsaveopt xsaveopt64 xsaves xsaves64 xsetbv xtest fxrstor fxrstor64 fxsave fxsave64 ldmxcsr stmxcsr vldmxcsr vstmxcsr`

const X87 = `emms f2xm1 fabs fadd faddp fbld fbstp fchs fclex fcmovb fcmove fcom fcomi fcomip fcomp fcompp fcos fdecstp fdiv fdivp
fdivr fdivrp ffree fiadd ficom ficomp fidiv fidivr fild fimul fincstp finit fist fistp fisttp fisub fisubr fld fld1 fldcw fldenv
fldl2e fldl2t fldlg2 fldln2 fldpi fldz fmul fmulp fnclex fninit fnop fnsave fnstcw fnstenv fnstsw fpatan fprem fprem1 fptan frndint
frstor fsave fscale fsin fsincos fsqrt fst fstcw fstenv fstp fstsw fsub fsubp fsubr fsubrp ftst fucom fucomi fucomip fucomp fucompp
fwait fxam fxch fxtract fyl2x fyl2xp1`

const VECTOR = `addpd addps addsd addss andnpd andnps andpd andps comisd comiss cvtsd2si cvtsd2ss cvtsi2sd cvtsi2ss cvtss2sd cvtss2si
cvttsd2si cvttss2si divpd divps divsd divss lddqu maskmovdqu maxsd maxss minsd minss movapd movaps movd movddup movdqa movdqu movhlps
movhpd movhps movlhps movlpd movlps movmskpd movmskps movntdq movntdqa movntpd movntps movq movss movupd movups mulpd mulps mulsd
mulss orpd orps packssdw packsswb packuswb paddb paddd paddq paddw palignr pand pandn pavgb pavgw pcmpeqb pcmpeqd pcmpeqw pcmpgtb
pcmpgtd pcmpgtw pextrw pinsrw pmaxub pminub pmovmskb pmuludq por pshufb pshufd pshufhw pshuflw pslld pslldq psllq psllw psrad psraw
psrld psrldq psrlq psrlw psubb psubd psubq psubw ptest punpckhbw punpckhdq punpckhqdq punpckhwd punpcklbw punpckldq punpcklqdq
punpcklwd pxor shufpd shufps sqrtsd sqrtss subpd subps subsd subss ucomisd ucomiss unpckhpd unpckhps unpcklpd unpcklps vmovapd
vmovaps vmovdqa vmovdqu vmovntdq vmovupd vmovups vpand vpbroadcastb vpor vpxor vxorps vzeroall vzeroupper xorpd xorps`

const VIRTUALIZATION =
  'clgi getsec invept invvpid invlpga skinit stgi vmcall vmfunc vmload vmmcall vmrun vmsave seamcall tdcall pconfig encls enclu'

export const KNOWN_MNEMONICS: readonly string[] = [GENERAL, X87, VECTOR, VIRTUALIZATION].flatMap(text => text.split(/\s+/))
