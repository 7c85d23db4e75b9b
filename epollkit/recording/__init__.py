"""Write down what a program asks of the kernel:

everything between a call and its place in a `Log`.
"""
