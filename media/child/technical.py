"""Which metadata keys are known to be technical. Everything else is sensitive: an unknown key may hold a name or place.

PURE. Serial numbers, positions, owners, names, titles, comments, descriptions, maker notes and identifiers that a
camera or a program gives itself are deliberately missing here.
"""

from __future__ import annotations

import re

_TRACK = re.compile(r"(?:general|video|audio|image|text|other|menu)[0-9]*\.")

# MediaInfo: names of pymediainfo's `Track` attributes.
# fmt: off
_MEDIAINFO = frozenset({
    "count", "count_of_stream_of_this_kind", "kind_of_stream", "stream_identifier", "track_id", "track_type",
    "streamorder", "count_of_video_streams", "count_of_audio_streams", "count_of_text_streams",
    "count_of_image_streams", "count_of_menu_streams", "othercount", "video_format_list",
    "video_format_withhint_list", "codecs_video", "audio_format_list", "audio_format_withhint_list", "audio_codecs",
    "text_format_list", "image_format_list", "audio_channels_total", "format", "format_url", "format_info",
    "format_profile", "format_level", "format_tier", "format_version", "format_settings", "format_settings__cabac",
    "format_settings__reference_frames", "format_settings__bvop", "format_settings__qpel", "format_settings__gmc",
    "format_settings__matrix", "format_settings__gop", "format_settings_endianness",
    "format_extensions_usually_used", "format_additionalfeatures", "commercial_name", "internet_media_type",
    "codec_id", "codec_id_url", "codec_id_info", "codecid_compatible", "codec_configuration_box", "file_size",
    "duration", "overall_bit_rate", "overall_bit_rate_mode", "overallbitrate_precision_min",
    "overallbitrate_precision_max", "frame_rate", "frame_rate_mode", "frame_rate_num", "frame_rate_den",
    "framerate_num", "framerate_den", "minimum_frame_rate", "maximum_frame_rate", "original_frame_rate",
    "frame_count", "stream_size", "proportion_of_this_stream", "headersize", "datasize", "footersize",
    "isstreamable", "width", "height", "sampled_width", "sampled_height", "stored_width", "stored_height",
    "pixel_aspect_ratio", "display_aspect_ratio", "rotation", "color_space", "chroma_subsampling", "bit_depth",
    "scan_type", "scan_order", "compression_mode", "bits__pixel_frame", "bit_rate", "bit_rate_mode",
    "maximum_bit_rate", "minimum_bit_rate", "nominal_bit_rate", "buffer_size", "color_range",
    "colour_description_present", "color_primaries", "transfer_characteristics", "matrix_coefficients",
    "colour_range_source", "colour_description_present_source", "colour_primaries_source",
    "transfer_characteristics_source", "matrix_coefficients_source", "colour_range_original",
    "colour_range_original_source", "delay", "delay__origin", "delay_dropframe", "delay_settings", "source_delay",
    "source_delay_source", "samples_per_frame", "sampling_rate", "samples_count", "channel_s", "channel_positions",
    "channel_layout", "alternate_group", "default", "forced", "encoded_date", "tagged_date", "recorded_date",
    "mastered_date", "duration_firstframe", "duration_lastframe",
})
# fmt: on

# EXIF: names as exifread gives them, behind the name of the directory.
_EXIF_DIRECTORIES = frozenset({"Image", "EXIF", "Thumbnail", "Interoperability"})
# fmt: off
_EXIF = frozenset({
    "Make", "Model", "Orientation", "XResolution", "YResolution", "ResolutionUnit", "YCbCrPositioning",
    "YCbCrSubSampling", "YCbCrCoefficients", "ReferenceBlackWhite", "ImageWidth", "ImageLength", "BitsPerSample",
    "Compression", "PhotometricInterpretation", "SamplesPerPixel", "RowsPerStrip", "StripOffsets",
    "StripByteCounts", "PlanarConfiguration", "JPEGInterchangeFormat", "JPEGInterchangeFormatLength", "ExifOffset",
    "InteroperabilityIndex", "InteroperabilityVersion", "InteroperabilityOffset", "ExposureTime", "FNumber",
    "ExposureProgram", "ISOSpeedRatings", "SensitivityType", "RecommendedExposureIndex", "ExifVersion",
    "ComponentsConfiguration", "CompressedBitsPerPixel", "ShutterSpeedValue", "ApertureValue", "BrightnessValue",
    "ExposureBiasValue", "MaxApertureValue", "SubjectDistance", "MeteringMode", "LightSource", "Flash",
    "FocalLength", "SubSecTime", "SubSecTimeOriginal", "SubSecTimeDigitized", "FlashPixVersion", "ColorSpace",
    "ExifImageWidth", "ExifImageLength", "FocalPlaneXResolution", "FocalPlaneYResolution",
    "FocalPlaneResolutionUnit", "ExposureIndex", "SensingMethod", "FileSource", "SceneType", "CVAPattern",
    "CustomRendered", "ExposureMode", "WhiteBalance", "DigitalZoomRatio", "FocalLengthIn35mmFilm",
    "SceneCaptureType", "GainControl", "Contrast", "Saturation", "Sharpness", "SubjectDistanceRange",
    "LensSpecification", "DateTime", "DateTimeOriginal", "DateTimeDigitized", "OffsetTime", "OffsetTimeOriginal",
    "OffsetTimeDigitized",
})
# fmt: on


def is_sensitive(source: str, key: str) -> bool:
    """Return False only for a key that is known to say nothing but how the recording is technically made."""
    if source == "mediainfo":
        return _TRACK.sub("", key, count=1) not in _MEDIAINFO
    if source == "exif":
        directory, _, name = key.partition(" ")
        return directory not in _EXIF_DIRECTORIES or name not in _EXIF
    return source != "cv2"
