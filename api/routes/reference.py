"""What suggestions refer to: taxonomy, units, the active model."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import Anyone, ServiceDep
from api.schemas.reference import CategoryNodeOut, ModelOut, TaxonomyOut, UnitOut, UnitsOut

router = APIRouter(prefix="/v1", tags=["基础数据"])

# Of the training report, what everybody may read.
_FIGURES = ("seed", "category", "kind", "unit", "links")


@router.get("/taxonomy", summary="内容分类")
def get_taxonomy(service: ServiceDep, _: Anyone) -> TaxonomyOut:
    taxonomy = service.live.engine().bundle.taxonomy
    return TaxonomyOut(
        categories=[
            CategoryNodeOut(code=c.code, name=c.name, parent=c.parent, heading=taxonomy.heading(c.code))
            for c in taxonomy.categories.values()
        ]
    )


@router.get("/units", summary="承办单位")
def get_units(service: ServiceDep, _: Anyone) -> UnitsOut:
    directory = service.live.engine().router.directory
    return UnitsOut(
        directory=directory.name,
        units=[
            UnitOut(id=unit.id, name=unit.name, parent=unit.parent, duties=list(unit.duties))
            for unit in directory.units.values()
        ],
    )


@router.get("/models/active", summary="正在使用的模型")
def get_active_model(service: ServiceDep, _: Anyone) -> ModelOut:
    """检验数字；完整的训练报告在 /v1/models/{version}，只给管理员和督查。"""
    bundle = service.live.engine().bundle
    # Counts by category, kind and unit would tell every reader how many accusations there are.
    report = {name: bundle.report[name] for name in _FIGURES if name in bundle.report}
    return ModelOut(version=bundle.version, threshold=bundle.threshold, report=report)
