"""Information theory: entropies, rate and distortion, the information bottleneck and its bifurcations, finite samples.

Pure functions on arrays: numpy in, numpy out; tensor in, tensor out on its device. Informations are in bits unless a
`base` says otherwise. Importing this room does not import torch; a function that needs it does so when it is called.
"""
