"""Single images, by Pillow and numpy alone: what a trained network needs where no torch is.

decoding        an image file -> pixels
preprocessing   `preprocess` of a spec, for one image
predict         `vggc predict`: a classifier in an ONNX file on images
"""
