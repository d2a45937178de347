"""A polarimetric radar simulator: from rain and its drops to genuine volumes of what is sent."""
