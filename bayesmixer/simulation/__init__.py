"""Simulated traits, through real or simulated LD.

The door is `simulate.simulate` (`bayesmixer.simulate`), which writes the files of a study. Behind
it: `effects`, architectures of true effects; `genotypes`, chromosomes by coalescent simulation;
`panel`, a panel's genotypes by LD block and z-scores through their LD, also for whoever keeps them
in memory (the coverage laboratory); `files`, what is written, and how a run that was stopped goes
on.
"""
