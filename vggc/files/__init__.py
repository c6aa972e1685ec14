"""Files that are there whole or not at all, whatever becomes of the process that writes them.

scratch      a folder for what is not finished, which not even a killed process leaves behind for good
staging      a finished file moved into place in one step
publishing   an ONNX file with its weights and its report, put in place so that no moment shows a torn model
"""
