"""What belongs to a model besides its layers: initialisation, preprocessing and training, by torch's names."""
