"""Single images, by Pillow and numpy alone, because a trained network is used without torch.

decoding        an image file -> pixels
preprocessing   `preprocess` of a spec, for one image
predict         `vggc predict`: a classifier in an ONNX file on images
"""
