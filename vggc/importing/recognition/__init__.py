"""Operations, or torch modules -> layers with their tensors; or every node that is none."""
