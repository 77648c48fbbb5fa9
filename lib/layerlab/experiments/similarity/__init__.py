"""Experiments of the chapter on similarity: do different networks learn the same?"""
