"""Hearing: media, speech, windows, Whisper, diarization, speakers, the transcript and its formats.

This room imports nothing of ours. Heavy libraries (PyAV, torch, CTranslate2, pyannote) are imported
inside the functions of the module that adapts them, so that the data types cost milliseconds.
"""
